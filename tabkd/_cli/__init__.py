"""The commands of `tabkd`, such as `tabkd distill` and `tabkd score`; one file for each."""

try:
    from tabkd._cli.commands import app
except KeyboardInterrupt:  # in the first instant, when nothing was done
    raise SystemExit(130) from None

__all__ = ["app"]
