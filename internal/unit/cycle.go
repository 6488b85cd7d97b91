package unit

import (
	"slices"

	"github.com/leat-dev/leat/internal/object"
)

// Cycle returns the shortest way from a unit back to itself along next, both
// ends included, or nil when there is none. Of several equally short ones it is
// the one that next names first.
func Cycle(start object.Key, next func(object.Key) []object.Key) []object.Key {
	from := map[object.Key]object.Key{}
	queue := []object.Key{start}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		for _, to := range next(at) {
			if to == start {
				return trace(from, start, at)
			}
			if _, seen := from[to]; !seen {
				from[to] = at
				queue = append(queue, to)
			}
		}
	}
	return nil
}

// trace walks back from the last unit before the circle closes.
func trace(from map[object.Key]object.Key, start, last object.Key) []object.Key {
	way := []object.Key{start}
	for at := last; at != start; at = from[at] {
		way = append(way, at)
	}
	way = append(way, start)
	slices.Reverse(way)
	return way
}
