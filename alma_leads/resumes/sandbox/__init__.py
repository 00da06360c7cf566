"""Looking into a stranger's file, in a process that can do nothing else."""
