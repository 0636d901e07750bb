"""What every faked provider shares: HTTP, request log, limits, faults, clock, stored objects, control."""
