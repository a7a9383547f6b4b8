package release_test

import (
	"strings"
	"testing"
)

// newMini returns a small repository with our scripts and with a module, example.com/mini/kalshiauth/store, besides the
// root module. Both have the release 0.1.0, and are ready for 0.1.1.
func newMini(t *testing.T) repository {
	t.Helper()
	r := newRepository(t, filesHere(t, ".github/scripts/*.sh")...)
	r.write(changelog, "# Changelog\n\n## [Unreleased]\n")
	r.write("go.mod", "module example.com/mini\n\ngo 1.25.0\n")
	r.write("kalshiauth/client.go", `package kalshiauth

const ownUserAgent = "kalshiauth-go/0.1.0"

func UserAgent() string { return ownUserAgent }
`)
	r.write("kalshiauth/internal/bench/go.mod", "module example.com/mini/kalshiauth/internal/bench\n")
	r.write("kalshiauth/store/go.mod", `module example.com/mini/kalshiauth/store

go 1.25.0

replace example.com/mini => ../..

require example.com/mini v0.1.0 // not old => new
`)
	r.write("kalshiauth/store/store.go", `package store

import "example.com/mini/kalshiauth"

func Open() string { return kalshiauth.UserAgent() }
`)
	r.write("kalshiauth/store/internal/wire/wire.go", "package wire\n")
	r.commit()
	r.git("tag", "v0.1.0")
	r.git("tag", "kalshiauth/store/v0.1.0")

	r.replace("kalshiauth/client.go", "0.1.0", "0.1.1")
	r.write("kalshiauth/new.go", "package kalshiauth\n\nfunc New() {}\n")
	r.write("kalshiauth/store/new.go", "package store\n\nfunc New() {}\n")
	r.git("rm", "--quiet", "-r", "kalshiauth/store/internal") // users cannot import it, so this breaks no API
	r.describe("0.1.1")
	r.describe("kalshiauth/store/0.1.1")
	r.commit()
	return r
}

const (
	storeGo  = "kalshiauth/store/store.go"
	storeMod = "kalshiauth/store/go.mod"
	storeTag = "kalshiauth/store/v0.1.1"
)

// requires returns a change that makes the store require another version of the root module.
func requires(version string) func(r repository) {
	return func(r repository) {
		r.Helper()
		r.replace(storeMod, `mini v0\.1\.0`, "mini "+version)
	}
}

// newDirectory is the directory of a module without a release.
const newDirectory = "kalshiauth/other"

func addModule(r repository) {
	r.Helper()
	r.write(newDirectory+"/go.mod", strings.ReplaceAll(r.read(storeMod), "kalshiauth/store", newDirectory))
	r.write(newDirectory+"/other.go", r.read(storeGo))
	r.describe(newDirectory + "/0.1.0")
}

func TestReleaseCheck(t *testing.T) {
	t.Parallel()
	mini := newMini(t)
	// Even for a tool in the module cache, go install asks a proxy. So that the test needs no network, ask the cache.
	proxy := "GOPROXY=" + cacheProxy(t)
	if _, status := run(t, mini.dir, []string{proxy}, "bash", ".github/scripts/api-diff.sh", "v0.1.0"); status != 0 {
		proxy = "GOPROXY=" + goEnv(t, "GOPROXY") // the tool is not there yet
	}
	for name, test := range map[string]struct {
		change func(r repository)
		tag    string
		status int
		says   string
	}{
		"the root module": {tag: "v0.1.1", says: "v0.1.1 can be released"},
		"another module":  {tag: storeTag, says: storeTag + " can be released"},
		"a new module": {
			change: addModule, tag: newDirectory + "/v0.1.0",
			says: "the first release of example.com/mini/kalshiauth/other",
		},
		"the tag is pushed": {
			change: func(r repository) { r.git("tag", storeTag) }, tag: storeTag, says: "can be released",
		},
		"a candidate": {
			change: func(r repository) {
				r.git("tag", "v0.1.1-rc.1")
				requires("v0.1.1-rc.1")(r)
				r.describe("kalshiauth/store/0.1.1-rc.1")
			},
			tag: storeTag + "-rc.1", says: "can be released",
		},
		"version 2": {
			change: func(r repository) {
				r.replace(storeMod, "/store$", "/store/v2")
				r.replace(storeGo, "Open", "OpenStore")
				r.describe("kalshiauth/store/2.0.0")
			},
			tag: "kalshiauth/store/v2.0.0", says: "can be released",
		},

		"no tag":          {tag: "", status: 2, says: "'' is not the tag of a release"},
		"no v":            {tag: "kalshiauth/store/0.1.1", status: 2, says: "is not the tag of a release"},
		"two numbers":     {tag: "kalshiauth/store/v0.1", status: 2, says: "is not the tag of a release"},
		"version first":   {tag: "v0.1.1/kalshiauth/store", status: 2, says: "is not the tag of a release"},
		"two slashes":     {tag: "kalshiauth//store/v0.1.1", status: 2, says: "is not the tag of a release"},
		"no module":       {tag: "kalshiauth/v0.1.1", status: 2, says: "write the directory of a module"},
		"internal module": {tag: "kalshiauth/internal/bench/v0.1.1", status: 2, says: "it gets no tag"},

		"the tag exists elsewhere": {
			change: func(r repository) { r.git("tag", storeTag, "HEAD~1") }, tag: storeTag, status: 1,
			says: "the tag " + storeTag + " exists, on another commit: choose the next version",
		},
		"the path lacks /v2": {
			tag: "kalshiauth/store/v2.0.0", status: 1,
			says: "users of kalshiauth/store/v2.0.0 import example.com/mini/kalshiauth/store/v2: change the path",
		},
		"the root path lacks /v2": {tag: "v2.0.0", status: 1, says: "users of v2.0.0 import example.com/mini/v2"},
		"another directory's path": {
			change: func(r repository) { r.replace(storeMod, "/store$", "/storage") }, tag: storeTag, status: 1,
			says: "is example.com/mini/kalshiauth/storage, but users of",
		},
		"another User-Agent": {
			change: func(r repository) { r.replace("kalshiauth/client.go", "0.1.1", "0.1.0") }, tag: "v0.1.1", status: 1,
			says: "ownUserAgent in kalshiauth/client.go has the version '0.1.0'",
		},

		"a replaced dependency": {
			change: func(r repository) {
				r.replace(storeMod, "^replace (.*)$", "replace (\n\t$1\n\texample.com/dependency => ./dependency\n)")
			},
			tag: storeTag, status: 1, says: "replaces example.com/dependency, but not for users: remove the replace directive",
		},
		"the root module replaces": {
			change: func(r repository) { r.replace("go.mod", `\z`, "\nreplace example.com/dependency => ./dependency\n") },
			tag:    "v0.1.1", status: 1, says: "go.mod replaces example.com/dependency",
		},
		"requires nothing": {
			change: func(r repository) { r.replace(storeMod, "^require.*$", "") }, tag: storeTag, status: 1,
			says: "does not require example.com/mini: require its last release",
		},
		"requires v0.0.0": {
			change: requires("v0.0.0"), tag: storeTag, status: 1,
			says: "requires example.com/mini v0.0.0, which is no release: release the root module",
		},
		"requires the version that go mod tidy makes up": {
			change: requires("v0.0.0-00010101000000-000000000000"), tag: storeTag, status: 1, says: "which is no release",
		},
		"requires a commit": {
			change: requires("v0.1.1-0.20260102030405-abcdefabcdef"), tag: storeTag, status: 1, says: "which is no release",
		},
		"requires a candidate": {
			change: func(r repository) {
				r.git("tag", "v0.1.1-rc.1")
				requires("v0.1.1-rc.1")(r)
			},
			tag: storeTag, status: 1, says: "which is a release candidate",
		},
		"requires a version without a tag": {
			change: requires("v0.1.1"), tag: storeTag, status: 1, says: "which has no tag here: push its tag first",
		},
		"requires a version of another branch": {
			change: func(r repository) {
				r.git("checkout", "--quiet", "-b", "other")
				r.git("commit", "--quiet", "--allow-empty", "--message=Another branch")
				r.git("tag", "v0.1.1")
				r.git("checkout", "--quiet", "-")
				requires("v0.1.1")(r)
			},
			tag: storeTag, status: 1, says: "whose tag is on another branch",
		},
		"needs more than it requires": {
			change: func(r repository) { r.replace(storeGo, `return kalshiauth`, "kalshiauth.New(); return kalshiauth") },
			tag:    storeTag, status: 1, says: "kalshiauth/store does not work with example.com/mini v0.1.0",
		},
		"tests need more than it requires": {
			change: func(r repository) {
				r.write("kalshiauth/store/store_test.go",
					"package store_test\n\nimport \"example.com/mini/kalshiauth\"\n\nvar _ = kalshiauth.New\n")
			},
			tag: storeTag, status: 1, says: "kalshiauth/store does not work with example.com/mini v0.1.0",
		},

		"no notes": {
			change: func(r repository) { r.write(changelog, "## [0.1.1] - 2026-01-02\n\n- A change.\n") },
			tag:    storeTag, status: 1, says: `no text below "## [kalshiauth/store/0.1.1] - YYYY-MM-DD"`,
		},
		"empty notes": {
			change: func(r repository) {
				r.write(changelog, "## [kalshiauth/store/0.1.1] - 2026-01-02\n\n## [0.1.0] - 2026-01-01\n\n- A change.\n")
			},
			tag: storeTag, status: 1, says: "no text below",
		},
		"notes of another module": {
			change: func(r repository) { r.write(changelog, "## [kalshiauth/store/0.1.1] - 2026-01-02\n\n- A change.\n") },
			tag:    "v0.1.1", status: 1, says: `no text below "## [0.1.1] - YYYY-MM-DD"`,
		},

		"a lower version": {
			change: func(r repository) { r.git("tag", "kalshiauth/store/v0.3.0", "HEAD~1") }, tag: storeTag, status: 1,
			says: storeTag + " is not higher than kalshiauth/store/v0.3.0: choose a higher version",
		},
		"a higher version of another module": {
			change: func(r repository) { r.git("tag", "v0.3.0", "HEAD~1") }, tag: storeTag, says: "can be released",
		},
		"a broken API": {
			change: func(r repository) { r.replace(storeGo, "Open", "OpenStore") }, tag: storeTag, status: 1,
			says: "incompatible changes since kalshiauth/store/v0.1.0: raise the minor (below v1) or major part of the version",
		},
		"a removed package": {
			change: func(r repository) {
				r.write("kalshiauth/store/sub/sub.go", "package sub\n")
				r.commit()
				r.git("tag", "--force", "kalshiauth/store/v0.1.0")
				r.git("rm", "--quiet", "-r", "kalshiauth/store/sub")
			},
			tag: storeTag, status: 1, says: "kalshiauth/store/sub:\nIncompatible changes:\n- the package was removed",
		},
		"a broken API of a higher minor version": {
			change: func(r repository) {
				r.replace(storeGo, "Open", "OpenStore")
				r.describe("kalshiauth/store/0.2.0")
			},
			tag: "kalshiauth/store/v0.2.0", says: "can be released",
		},
		"a broken API of the root module": {
			change: func(r repository) { r.replace("kalshiauth/client.go", "func UserAgent", "func Agent") },
			tag:    "v0.1.1", status: 1, says: "incompatible changes since v0.1.0: raise the minor",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := repository{t, t.TempDir()}
			mustRun(t, mini.dir, nil, "git", "clone", "--quiet", ".", r.dir)
			if test.change != nil {
				test.change(r)
			}
			changed := r.git("status", "--porcelain")
			out, status := r.check(test.tag, proxy)
			if status != test.status || !strings.Contains(out, test.says) {
				t.Errorf("exit status %d, want %d and %q:\n%s", status, test.status, test.says, out)
			}
			if now := r.git("status", "--porcelain"); now != changed {
				t.Errorf("the working tree has changed:\n%s", now)
			}
			if trees := strings.Count(r.git("worktree", "list"), "\n"); trees != 1 {
				t.Errorf("%d worktrees are left, want 1", trees)
			}
		})
	}
}
