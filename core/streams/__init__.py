"""What people see of their streams, and what they may do to them."""
