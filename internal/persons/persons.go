// Package persons tells who is behind an account, where one person has several: what
// approvals in Git and of temporary access both go by.
//
//	persons.Behind(map[string]string{"alice-admin": "alice"}, "alice-admin") // alice
package persons

// Behind is the name under which an account counts. The name behind an account may be a
// further account itself, and names in a circle are one person, called as the least of
// them.
func Behind(same map[string]string, account string) string {
	at := account
	for range len(same) + 1 {
		next := same[at]
		if next == "" {
			return at
		}
		at = next
	}
	least := at // in a circle
	for range same {
		at = same[at]
		least = min(least, at)
	}
	return least
}
