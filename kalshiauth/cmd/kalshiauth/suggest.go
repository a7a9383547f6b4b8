package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"
)

// wrongFlag adds to an error about a flag that does not exist what the user may have meant.
func wrongFlag(cmd *cli.Command, err error) error {
	name, found := strings.CutPrefix(err.Error(), "flag provided but not defined: -")
	name = strings.TrimLeft(name, "-")
	if !found {
		return err
	}
	if meant := nearest(name, flagNames(cmd)); meant != "" {
		return fmt.Errorf("%w; did you mean -%s?", err, meant)
	}
	hasFlag := func(sub *cli.Command) bool { return slices.Contains(flagNames(sub), name) }
	if slices.ContainsFunc(cmd.Commands, hasFlag) {
		return fmt.Errorf("%w; a flag comes after its subcommand", err)
	}
	return err
}

func flagNames(cmd *cli.Command) (names []string) {
	for _, flag := range cmd.Flags {
		names = append(names, flag.Names()...)
	}
	return names
}

// didYouMean returns the end of a sentence about a subcommand that cmd does not have. It may be "".
func didYouMean(cmd *cli.Command, name string) string {
	var names []string
	for _, sub := range cmd.Commands {
		if !sub.Hidden {
			names = append(names, sub.Name)
		}
	}
	if meant := nearest(name, names); meant != "" {
		return fmt.Sprintf("; did you mean %s?", meant)
	}
	return ""
}

// nearest returns the name that a word is probably a misspelling or the beginning of, or "".
func nearest(word string, names []string) (best string) {
	least := 1 + max(1, len(word)/3) // a third of the letters may be wrong
	for _, name := range names {
		edits := distance(word, name)
		if len(word) > 1 && strings.HasPrefix(name, word) {
			edits = 1
		}
		if edits < least && len(name) > 1 {
			best, least = name, edits
		}
	}
	return best
}

// distance returns how many letters must be added, removed, replaced or swapped with the next one to make b of a.
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		for j := range rows[i] {
			if i == 0 || j == 0 {
				rows[i][j] = i + j
				continue
			}
			replaced := rows[i-1][j-1]
			if a[i-1] != b[j-1] {
				replaced++
			}
			rows[i][j] = min(replaced, rows[i-1][j]+1, rows[i][j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
