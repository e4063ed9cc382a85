"""The commands: `tabkd distill`, `tabkd score`, `tabkd inspect`, `tabkd compare`, `tabkd demo`; one file for each."""

try:
    from tabkd._cli.commands import app
except KeyboardInterrupt:  # in the first instant, when nothing was done
    raise SystemExit(130) from None

__all__ = ["app"]
