"""Fake upstream APIs: as strict as the real ones, and hostile when told to be."""
