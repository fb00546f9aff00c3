"""What the login stack (allauth) is told about this house: adapters, forms, what is recorded."""
