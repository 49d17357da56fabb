"""Many runs in one table: what differs between them, and what each setting scored."""
