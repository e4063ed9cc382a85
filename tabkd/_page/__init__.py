"""One self-contained page of HTML: sections of figures and tables, in light, dark, narrow and on paper."""
