"""Networks and weights of other frameworks, read from their files without running anything in them."""
