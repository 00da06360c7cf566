"""HTTP: what a request may do, and how an answer looks. The only package that knows of requests."""
