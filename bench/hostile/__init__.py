"""`make hostile`: one client does its worst, and another one is timed meanwhile."""
