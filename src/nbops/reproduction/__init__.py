"""Floor 3: a run done again and compared with what it was; how two runs differ."""
