def allow_options(cls):
    pass
