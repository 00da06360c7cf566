"""Every page and state of the product, with a firm and prospects that do not exist: for axe, and for the pictures."""
