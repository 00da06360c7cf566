"""What the pages of the desk share: blueprint, frame, dates, toasts, answers."""
