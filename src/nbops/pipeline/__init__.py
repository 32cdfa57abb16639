"""Floor 2: notebooks as steps: executed through papermill, ordered, cached, handing data on by content."""
