"""Floor 2: what came from what, by content; is the notebook's visible state true; what does a result need."""
