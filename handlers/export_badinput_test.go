package handlers

import "stackusage/shared/landing"

// DecodeLanded reads the text of a message of queue usage-landed.
func DecodeLanded(text string) (landing.Name, bool, error) { return decodeLanded(text) }
