"""Run everything: `python -m alma_leads`, which is what `make run` does."""

import signal

# Until the supervisor takes over, Ctrl-C ends the process as SIGTERM does: at once and without a traceback.
signal.signal(signal.SIGINT, signal.SIG_DFL)

from alma_leads.serve import main  # noqa: E402 -- importing it takes a second, in which Ctrl-C may come

if __name__ == "__main__":
    main()
