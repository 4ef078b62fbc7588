"""REST of accounts: tokens, devices, organisations, notifications."""
