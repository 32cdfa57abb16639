"""Floor 3: does what a notebook shows agree with the store, and is the store well?"""
