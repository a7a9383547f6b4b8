package document

// Pointer returns the JSON pointer (RFC 6901) with these names, such as "/properties/email". It escapes the names.
func Pointer(names ...string) string { return pointer(names...) }
