"""What is true without Azure: connections, rotation, schedule, errors. No I/O and no SDK."""
