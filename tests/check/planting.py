"""The list of planted mistakes: every module of planted_*.py adds to it."""

PLANTED = []  # (class, layer it is meant to be, tensor that is wrong, name of the mistake)


def planted(against, tensor, name):
    """Register a class with what a check of it must find."""

    def register(source):
        PLANTED.append((source, against, tensor, name))
        return source

    return register
