//go:build !linux && !darwin

package worktree

import "io/fs"

// stampOf does without inode and time of change where they are not known.
func stampOf(fi fs.FileInfo) stamp {
	return stamp{size: fi.Size(), mtime: fi.ModTime().UnixNano(), mode: fi.Mode()}
}
