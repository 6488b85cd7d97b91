package tree

// Changed returns the paths of the files that differ between two trees, sorted:
// added, removed, or with another content or mode. It looks only where hashes
// differ.
func Changed(a, b Tree) []string {
	return changed(a.dir(), b.dir(), "", nil)
}

func changed(a, b *dir, prefix string, out []string) []string {
	if a.id == b.id {
		return out
	}
	i, j := 0, 0
	for i < len(a.names) || j < len(b.names) {
		switch {
		case j == len(b.names) || i < len(a.names) && a.names[i] < b.names[j]:
			out = all(a.entries[i], prefix+a.names[i], out)
			i++
		case i == len(a.names) || b.names[j] < a.names[i]:
			out = all(b.entries[j], prefix+b.names[j], out)
			j++
		default:
			out = pair(a.entries[i], b.entries[j], prefix+a.names[i], out)
			i, j = i+1, j+1
		}
	}
	return out
}

func pair(a, b entry, p string, out []string) []string {
	switch {
	case a.dir != nil && b.dir != nil:
		return changed(a.dir, b.dir, p+"/", out)
	case a.blob != nil && b.blob != nil:
		if a.blob.ID != b.blob.ID || a.blob.Mode != b.blob.Mode {
			out = append(out, p)
		}
		return out
	case a.blob != nil:
		return all(b, p, append(out, p))
	default:
		return append(all(a, p, out), p)
	}
}

func all(e entry, p string, out []string) []string {
	if e.blob != nil {
		return append(out, p)
	}
	for i, name := range e.dir.names {
		out = all(e.dir.entries[i], p+"/"+name, out)
	}
	return out
}
