"""Floor 3: files that other programs read: who runs the schedules where no worker of ours stays up."""
