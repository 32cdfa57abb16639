"""Floor 1: estimators as files that cannot run code when loaded. One way in (`save`), one way out (`load`)."""
