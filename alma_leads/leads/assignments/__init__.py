"""Which attorney has which prospect: assignments, rules, absences, import."""
