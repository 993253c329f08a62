"""The list of planted mistakes, to which every module planted_*.py adds."""

PLANTED = []  # (class, its intended layer, tensor that is wrong, name of the mistake)


def planted(against, tensor, name):
    """Register a class with the expected finding."""

    def register(source):
        PLANTED.append((source, against, tensor, name))
        return source

    return register
