"""Floor 6: files that other programs read: who runs pipelines and schedules where no worker of ours stays up."""
