"""How the application is served: uvicorn with a small ASGI front, and the processes that `make run` looks after."""
