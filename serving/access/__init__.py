"""Who may ask, and over what: keys with scopes, signed tokens of an identity provider, TLS."""
