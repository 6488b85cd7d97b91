package worktree

import "strings"

// matchPath matches a path element by element, as Git does (wildmatch.c with
// WM_PATHNAME): an element of nothing but two or more stars stands for any
// number of elements, at the end of a glob for one or more; nothing else
// crosses a slash. The time is at most the product of the lengths.
func matchPath(globs, elems []string) bool {
	if n := len(globs); n > 0 && isStars(globs[n-1]) {
		globs = append(globs[:n-1:n-1], globs[n-1], "*") // one element at least
	}
	g, e := 0, 0
	starAt, resume := -1, 0 // the last ** and where it ends if it takes one more
	for e < len(elems) {
		switch {
		case g < len(globs) && isStars(globs[g]):
			starAt, resume = g, e
			g++
		case g < len(globs) && matchElem(globs[g], elems[e]):
			g, e = g+1, e+1
		case starAt >= 0:
			resume++
			g, e = starAt+1, resume
		default:
			return false
		}
	}
	for g < len(globs) && isStars(globs[g]) {
		g++
	}
	return g == len(globs)
}

func isStars(glob string) bool { return len(glob) >= 2 && strings.Trim(glob, "*") == "" }

// matchElem matches one element: * any bytes, ? one byte, [...] a class,
// \ takes the next byte as it is.
func matchElem(glob, s string) bool {
	g, i := 0, 0
	starAt, resume := -1, 0
	for i < len(s) {
		next, ok := g, false
		if g < len(glob) {
			if glob[g] == '*' {
				starAt, resume = g, i
				g++
				continue
			}
			next, ok = matchByte(glob, g, s[i])
		}
		switch {
		case ok:
			g, i = next, i+1
		case starAt >= 0:
			resume++
			g, i = starAt+1, resume
		default:
			return false
		}
	}
	return strings.Trim(glob[g:], "*") == ""
}

// matchByte matches what stands at glob[g] and returns where it ends.
func matchByte(glob string, g int, c byte) (next int, ok bool) {
	switch glob[g] {
	case '?':
		return g + 1, true
	case '[':
		return matchClass(glob, g, c)
	case '\\':
		return g + 2, g+1 < len(glob) && glob[g+1] == c
	default:
		return g + 1, glob[g] == c
	}
}

// matchClass matches [abc], [a-z], [!a], [^a] and [[:alpha:]]; a ] that comes
// first is one of the bytes. A class that does not end matches nothing.
func matchClass(glob string, g int, c byte) (next int, ok bool) {
	g++
	negated := g < len(glob) && (glob[g] == '!' || glob[g] == '^')
	if negated {
		g++
	}
	found := false
	for first := true; g < len(glob) && (first || glob[g] != ']'); first = false {
		if name, after, ok := posix(glob, g); ok {
			in, known := posixClass(name, c)
			if !known {
				return 0, false
			}
			found, g = found || in, after
			continue
		}
		low, after, ok := classByte(glob, g)
		if !ok {
			return 0, false
		}
		high := low
		if after+1 < len(glob) && glob[after] == '-' && glob[after+1] != ']' {
			if high, after, ok = classByte(glob, after+1); !ok {
				return 0, false
			}
		}
		found, g = found || low <= c && c <= high, after
	}
	if g >= len(glob) {
		return 0, false
	}
	return g + 1, found != negated
}

// classByte reads one byte of a class, perhaps after a backslash.
func classByte(glob string, g int) (c byte, next int, ok bool) {
	if glob[g] == '\\' {
		g++
	}
	if g >= len(glob) {
		return 0, g, false
	}
	return glob[g], g + 1, true
}

// posix reads [:name:].
func posix(glob string, g int) (name string, next int, ok bool) {
	if !strings.HasPrefix(glob[g:], "[:") {
		return "", 0, false
	}
	end := strings.IndexByte(glob[g:], ']')
	if end < 3 || glob[g+end-1] != ':' {
		return "", 0, false
	}
	return glob[g+2 : g+end-1], g + end + 1, true
}

func posixClass(name string, c byte) (in, known bool) {
	lower, upper, digit := 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9'
	printable := 0x20 <= c && c < 0x7f
	switch name {
	case "alnum":
		return lower || upper || digit, true
	case "alpha":
		return lower || upper, true
	case "blank":
		return c == ' ' || c == '\t', true
	case "cntrl":
		return c < 0x20 || c == 0x7f, true
	case "digit":
		return digit, true
	case "graph":
		return printable && c != ' ', true
	case "lower":
		return lower, true
	case "print":
		return printable, true
	case "punct":
		return printable && c != ' ' && !lower && !upper && !digit, true
	case "space":
		return c == ' ' || '\t' <= c && c <= '\r', true
	case "upper":
		return upper, true
	case "xdigit":
		return digit || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F', true
	}
	return false, false
}
