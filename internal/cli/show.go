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
	"github.com/leat-dev/leat/internal/controller"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/screen"
)

// show prints a running engine: a live tree on a terminal, a line per change
// elsewhere, one JSON value at the end for machines.
type show struct {
	out, notes io.Writer
	json, once bool
	fd         int // of the terminal, -1 for none

	mu      sync.Mutex
	runs    map[object.Key]screen.Run
	told    map[object.Key]string
	moved   time.Time // last news of any unit
	drawn   int       // lines of the live tree on the screen
	up      *app.Up
	drawing sync.WaitGroup
}

func newShow(out, errs io.Writer, output string, once bool) *show {
	s := &show{out: out, notes: out, json: output == "json", once: once, fd: -1,
		runs: make(map[object.Key]screen.Run), told: make(map[object.Key]string), moved: time.Now()}
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

// finished takes the news of a run.
func (s *show) finished(r controller.Run) {
	rep := r.Report
	if rep.Summary.Ready == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	run := screen.RunOf(rep)
	run.Took, run.At = r.Took, time.Now()
	if before, ok := s.runs[r.Unit]; ok && before.Ready == run.Ready && before.Took > run.Took {
		run.Took = before.Took // the run that did the work, not those that looked again
	}
	if before, ok := s.runs[r.Unit]; !ok || before.Ready != run.Ready || before.Reason != run.Reason ||
		before.Revision != run.Revision || len(run.Changed) > 0 {
		s.moved = run.At // a run that found everything as it was is no news
	}
	s.runs[r.Unit] = run
}

func (s *show) removed(key object.Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.runs, key)
	delete(s.told, key)
	s.moved = time.Now()
}

// board is how everything stands now.
func (s *show) board() screen.Board {
	s.mu.Lock()
	defer s.mu.Unlock()
	board := screen.Make(s.up.Units(), s.runs)
	board.Warnings = s.up.Simulated()
	return board
}

// redraw is how often the screen may change.
const redraw = 100 * time.Millisecond

// begin shows the engine until ctx ends.
func (s *show) begin(ctx context.Context, up *app.Up) {
	s.up = up
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

func (s *show) draw() {
	if s.json {
		return
	}
	board := s.board()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fd < 0 {
		s.lines(board)
		return
	}
	width, height, err := term.GetSize(s.fd)
	if err != nil {
		width, height = 100, 40
	}
	style := screen.Style{Width: width, Height: max(height-3, 5), Colour: true}
	lines := board.Tree(style)
	lines = append(lines, wrapped(board.CauseLines(screen.Style{}), width, height-3-len(lines))...)
	lines = append(lines, wrapped(board.WarningLines(screen.Style{}), width, height-3-len(lines))...)
	ready, all := board.Counts()
	lines = append(lines, fmt.Sprintf("%d of %d ready · pods are simulated · Ctrl-C ends", ready, all))
	s.clear()
	fmt.Fprint(s.out, strings.Join(lines, "\n")+"\n")
	s.drawn = len(lines)
}

// wrapped are lines below the tree, wrapped to the width, as far as there is
// room.
func wrapped(lines []string, width, room int) []string {
	var out []string
	for _, line := range lines {
		runes := []rune(line)
		for len(runes) > width {
			out = append(out, string(runes[:width]))
			runes = append([]rune("    "), runes[width:]...)
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

// quiet is how long nothing may have happened for the engine to count as settled:
// longer than a watch takes to tell what a write did.
const quiet = 1500 * time.Millisecond

// settle returns true when nothing runs, nothing is due but timers, and what is
// not ready has had its grace.
func (s *show) settle(ctx context.Context, grace time.Duration) bool {
	calm, c := time.Now(), s.up.App.Controller
	for {
		idle, changed := c.Idle()
		if !idle {
			calm = time.Now()
		}
		board := s.board()
		ready, all := board.Counts()
		wait := quiet
		switch {
		case ready == all && all > 0:
			wait = quiet / 3
		case progressing(board):
			wait = grace
		}
		if idle && all > 0 && time.Since(calm) >= wait && time.Since(s.lastMove()) >= wait {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-changed:
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (s *show) lastMove() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.moved
}

func progressing(b screen.Board) bool {
	for _, r := range b.Rows {
		if r.State == screen.Progressing || r.State == screen.Unknown {
			return true
		}
	}
	return false
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
	style := screen.Style{Colour: s.fd >= 0}
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
