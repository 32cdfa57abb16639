"""Numbered changes of the schema: ``NNNN_what.sql``, statements ended by ``;`` at a line's end. A released
file is never edited; a change is a new number."""
