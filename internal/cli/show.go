package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/leat-dev/leat/internal/app"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/screen"
)

// show prints a running engine: a live tree on a terminal, a line per change
// elsewhere, one JSON value at the end for machines.
type show struct {
	out, notes io.Writer
	json, once bool
	fd         int // of the terminal, -1 for none

	news *app.Following

	mu      sync.Mutex
	told    map[object.Key]string
	drawn   int // lines of the live tree on the screen
	drawing sync.WaitGroup
}

func newShow(out, errs io.Writer, output string, once bool) *show {
	s := &show{out: out, notes: out, json: output == "json", once: once, fd: -1,
		news: app.NewFollowing(), told: make(map[object.Key]string)}
	if s.json {
		s.notes = errs
	}
	if file, ok := out.(*os.File); ok && !s.json && term.IsTerminal(int(file.Fd())) {
		s.fd = int(file.Fd())
	}
	return s
}

// say prints one line of progress.
func (s *show) say(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
	fmt.Fprintf(s.notes, format+"\n", args...)
}

func (s *show) removed(key object.Key) {
	s.news.Removed(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.told, key)
}

// redraw is how often the screen may change.
const redraw = 100 * time.Millisecond

// begin shows the engine until ctx ends.
func (s *show) begin(ctx context.Context, up *app.Up) {
	s.news.Follow(up)
	s.drawing.Go(func() { s.look(ctx) })
	s.drawing.Add(1)
	go func() {
		defer s.drawing.Done()
		tick := time.NewTicker(redraw)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				s.draw()
			}
		}
	}()
}

// looking is how often a terminal is told anew what keeps pods from being ready.
const looking = 2 * time.Second

func (s *show) look(ctx context.Context) {
	if s.fd < 0 {
		return
	}
	tick := time.NewTicker(looking)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			_ = s.news.Look(ctx) // the next one may know more
		}
	}
}

func (s *show) draw() {
	if s.json {
		return
	}
	board := s.news.Explained()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fd < 0 {
		s.lines(board)
		return
	}
	width, height, err := term.GetSize(s.fd)
	if err != nil || width == 0 || height == 0 { // a pseudo terminal that nobody gave a size
		width, height = 100, 40
	}
	lines := live(board, max(width, 20), height-2)
	s.clear()
	fmt.Fprint(s.out, strings.Join(lines, "\n")+"\n")
	s.drawn = len(lines)
}

// live are at most so many lines of the board: the tree, and in up to half of the room
// the causes; warnings where there is room left.
func live(board screen.Board, width, height int) []string {
	room := max(height-1, 5)
	style := screen.Style{Width: width, Height: room, Colour: colours()}
	lines := board.Tree(style)
	causes := wrapped(board.CauseLines(screen.Style{}), width, max(room-len(lines), room/2))
	if style.Height = room - len(causes); style.Height < len(lines) {
		lines = board.Tree(style)
	}
	lines = append(lines, causes...)
	lines = append(lines, wrapped(board.WarningLines(screen.Style{}), width, room-len(lines))...)
	ready, all := board.Counts()
	return append(lines, fmt.Sprintf("%d of %d ready · pods are simulated · Ctrl-C ends", ready, all))
}

// wrapped are lines below the tree, wrapped between words, as far as there is room.
func wrapped(lines []string, width, room int) []string {
	var out []string
	for _, line := range lines {
		runes := []rune(line)
		for len(runes) > width {
			at := breakOf(runes[:width])
			out = append(out, strings.TrimRight(string(runes[:at]), " "))
			runes = append([]rune("    "), runes[at:]...)
		}
		out = append(out, string(runes))
	}
	if room < 2 {
		return nil
	}
	if len(out) > room {
		out = append(out[:room-1], "…")
	}
	return out
}

// breakOf is where a line ends that must not be longer: behind its last blank, unless
// that would leave much of it empty.
func breakOf(line []rune) int {
	for at := len(line); at > len(line)/2; at-- {
		if line[at-1] == ' ' {
			return at
		}
	}
	return len(line)
}

// clear takes the live tree off the screen.
func (s *show) clear() {
	if s.drawn > 0 {
		fmt.Fprintf(s.out, "\x1b[%dA\x1b[J", s.drawn)
		s.drawn = 0
	}
}

// lines prints a line for every unit whose state changed.
func (s *show) lines(board screen.Board) {
	for _, r := range board.Rows {
		mark := string(r.State) + r.Revision + r.Message
		if s.told[r.Key] == mark || r.State == screen.Unknown {
			continue
		}
		s.told[r.Key] = mark
		fmt.Fprintln(s.out, r.Line())
	}
}

// final prints how everything ended and returns the error for the exit code.
func (s *show) final(board screen.Board) error {
	s.drawing.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
	ready, all := board.Counts()
	if s.json {
		value := struct {
			Ready    int              `json:"ready"`
			Units    int              `json:"units"`
			Causes   []screen.Cause   `json:"causes,omitempty"`
			Warnings []screen.Finding `json:"warnings,omitempty"`
			Rows     []screen.Row     `json:"rows"`
		}{ready, all, board.Causes(), board.Findings(), board.Rows}
		enc := json.NewEncoder(s.out)
		enc.SetIndent("", "  ")
		if err := enc.Encode(value); err != nil {
			return err
		}
	} else {
		s.report(board)
	}
	if ready < all || all == 0 {
		return &Exit{Code: 1}
	}
	return nil
}

func (s *show) report(board screen.Board) {
	style := screen.Style{Colour: s.fd >= 0 && colours()}
	if s.fd >= 0 {
		if width, _, err := term.GetSize(s.fd); err == nil {
			style.Width = width
		}
	}
	fmt.Fprintln(s.out)
	for _, line := range board.Tree(style) {
		fmt.Fprintln(s.out, line)
	}
	fmt.Fprintln(s.out)
	for _, line := range board.CauseLines(style) {
		fmt.Fprintln(s.out, line)
	}
	for _, line := range board.WarningLines(screen.Style{Colour: style.Colour}) {
		fmt.Fprintln(s.out, line)
	}
	fmt.Fprintln(s.out, board.Verdict()+" (nodes and pods are simulated)")
}

func (s *show) close() { s.drawing.Wait() }
