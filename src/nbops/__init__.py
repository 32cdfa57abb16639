"""nbops makes a notebook operational. Everything here is re-exported lazily; nothing inside the package
imports from this module, and importing it loads no heavy library."""

__version__ = "0.1.0"
