package present

import (
	"cmp"
	"slices"
	"strings"
)

// block is a part of a comment in several lengths, the longest first.
type block []length

// length is a text and how important it is that it is not shortened further;
// that grows from length to length.
type length struct {
	text string
	keep int
}

// fitted is a comment that fits, and how many of its blocks were shortened, or
// left out altogether.
type fitted struct {
	text          string
	shorter, left int
}

// fit chooses the length of every block so that all together stay within limit
// bytes: what is least important is shortened first, and left out last.
func fit(blocks []block, limit int) fitted {
	chosen := make([]int, len(blocks))
	total := 0
	for _, b := range blocks {
		total += len(b[0].text)
	}
	for _, s := range shortenings(blocks) {
		if total <= limit {
			break
		}
		b := blocks[s.block]
		total += len(b[s.to].text) - len(b[s.to-1].text)
		chosen[s.block] = s.to
	}
	return assemble(blocks, chosen, limit)
}

// shortening makes a block a length shorter.
type shortening struct{ block, to, keep int }

// shortenings are all of them, the least important first; of equal ones that of
// the later block.
func shortenings(blocks []block) []shortening {
	var out []shortening
	for i := len(blocks) - 1; i >= 0; i-- {
		for to := 1; to < len(blocks[i]); to++ {
			out = append(out, shortening{i, to, blocks[i][to-1].keep})
		}
	}
	slices.SortStableFunc(out, func(a, b shortening) int { return cmp.Compare(a.keep, b.keep) })
	return out
}

// assemble writes the blocks as chosen. Where even the shortest are too long
// together, the last are left out.
func assemble(blocks []block, chosen []int, limit int) fitted {
	var out fitted
	var text strings.Builder
	for i, b := range blocks {
		n := chosen[i]
		switch {
		case text.Len()+len(b[n].text) > limit, n > 0 && b[n].text == "":
			out.left++
			continue
		case n > 0:
			out.shorter++
		}
		text.WriteString(b[n].text)
	}
	out.text = text.String()
	return out
}
