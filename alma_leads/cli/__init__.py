"""The command line: one module a noun. Each command says what it did and exits 0 only if it did it."""
