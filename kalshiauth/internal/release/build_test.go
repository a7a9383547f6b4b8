package release_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"crypto/x509"
	"debug/buildinfo"
	"debug/elf"
	"debug/macho"
	"debug/pe"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

const tag = "v" + number

// newProgram returns a small repository with our script, our Dockerfile, and a command that prints its version.
func newProgram(t *testing.T) repository {
	t.Helper()
	r := newRepository(t, filesHere(t, ".github/Dockerfile", ".github/scripts/build-release.sh", "LICENSE", "README.md")...)
	r.write("go.mod", "module example.com/mini\n\ngo 1.25.0\n")
	r.write("kalshiauth/cmd/kalshiauth/main.go", `package main

import "runtime/debug"

func main() {
	info, _ := debug.ReadBuildInfo()
	println(info.Main.Version)
}
`)
	r.commit()
	return r
}

// build runs build-release.sh, and returns the files that it wrote.
func (r repository) build(env []string, targets ...string) map[string][]byte {
	r.Helper()
	out := filepath.Join(r.TempDir(), "release")
	temp := r.TempDir()
	args := append([]string{".github/scripts/build-release.sh", tag, out}, targets...)
	mustRun(r.T, r.dir, slices.Concat(env, []string{"TMPDIR=" + temp}), "bash", args...)
	if left, err := filepath.Glob(filepath.Join(temp, "tmp.*")); err != nil || len(left) > 0 {
		r.Errorf("it leaves %q: %v", left, err)
	}
	entries, err := os.ReadDir(out)
	if err != nil {
		r.Fatal(err)
	}
	files := map[string][]byte{}
	for _, entry := range entries {
		files[entry.Name()] = []byte(repository{r.T, out}.read(entry.Name()))
	}
	return files
}

// elsewhere returns a clone in another directory, with changes that are not committed.
func (r repository) elsewhere() repository {
	r.Helper()
	clone := repository{r.T, filepath.Join(r.TempDir(), "elsewhere")}
	mustRun(r.T, r.dir, nil, "git", "clone", "--quiet", ".", clone.dir)
	clone.replace("kalshiauth/cmd/kalshiauth/main.go", `\z`, "\nfunc init() { panic(0) }\n")
	clone.write("kalshiauth/cmd/kalshiauth/new.go", "package main\n\nfunc init() { panic(1) }\n")
	clone.write("README.md", "Changed.\n")
	clone.git("tag", "v1.1000.0") // another version of the same commit
	return clone
}

// settings of a machine that could change a build.
var settings = []string{
	"CGO_ENABLED=1", "GOAMD64=v3", "GOARM64=v9.0", "GOFLAGS=-buildvcs=false -ldflags=-s", "TZ=Asia/Tokyo",
	"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=tar.umask", "GIT_CONFIG_VALUE_0=0",
}

// A packed file is one in an archive.
type packed struct {
	mode os.FileMode
	data []byte
}

// unpack returns what an archive has.
func unpack(t *testing.T, name string, archive []byte) map[string]packed {
	t.Helper()
	if strings.HasSuffix(name, ".zip") {
		return unzip(t, archive)
	}
	unzipped, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return untar(t, unzipped)
}

func unzip(t *testing.T, archive []byte) map[string]packed {
	t.Helper()
	zipped, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]packed{}
	for _, f := range zipped.File {
		content, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(content)
		if err != nil {
			t.Fatal(err)
		}
		files[f.Name] = packed{f.Mode(), data}
	}
	return files
}

func untar(t *testing.T, archive io.Reader) map[string]packed {
	t.Helper()
	files := map[string]packed{}
	for r := tar.NewReader(archive); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if header.Typeflag != tar.TypeXGlobalHeader {
			files[header.Name] = packed{header.FileInfo().Mode(), data}
		}
	}
}

// macOS are the libraries of the system that every Go program for macOS needs.
const macOS = "/usr/lib/libSystem.B.dylib /usr/lib/libresolv.9.dylib"

// platforms of a release, with what a binary for them is.
var platforms = map[string]string{
	"linux/amd64": "ELF EM_X86_64 []", "linux/arm64": "ELF EM_AARCH64 []",
	"darwin/amd64": "Mach-O CpuAmd64 [" + macOS + "]", "darwin/arm64": "Mach-O CpuArm64 [" + macOS + "]",
	"windows/amd64": "PE 8664", "windows/arm64": "PE aa64",
}

// kindOf returns the format and processor of a binary, and the libraries that it needs. Go programs for Windows load
// those of the system when they run.
func kindOf(binary []byte) string {
	r := bytes.NewReader(binary)
	if f, err := elf.NewFile(r); err == nil {
		libraries, _ := f.ImportedLibraries()
		for _, p := range f.Progs {
			if p.Type == elf.PT_INTERP {
				libraries = append(libraries, "an interpreter")
			}
		}
		return fmt.Sprint("ELF ", f.Machine, " ", libraries)
	}
	if f, err := macho.NewFile(r); err == nil {
		libraries, _ := f.ImportedLibraries()
		return fmt.Sprint("Mach-O ", f.Cpu, " ", libraries)
	}
	if f, err := pe.NewFile(r); err == nil {
		return fmt.Sprintf("PE %x", f.Machine)
	}
	return "no binary"
}

// checkSums compares SHA256SUMS with the other files.
func checkSums(t *testing.T, files map[string][]byte) {
	t.Helper()
	sums := ""
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if name != "SHA256SUMS" {
			sum := sha256.Sum256(files[name])
			sums += hex.EncodeToString(sum[:]) + "  " + name + "\n"
		}
	}
	if got := string(files["SHA256SUMS"]); got != sums {
		t.Errorf("SHA256SUMS is\n%swant\n%s", got, sums)
	}
}

// checkBuild compares what a binary says about its build with the commit of the repository.
func (r repository) checkBuild(name string, binary []byte) {
	r.Helper()
	info, err := buildinfo.Read(bytes.NewReader(binary))
	if err != nil {
		r.Fatalf("%s: %v", name, err)
	}
	if info.Main.Version != tag {
		r.Errorf("%s has the version %s, want %s", name, info.Main.Version, tag)
	}
	want := map[string]string{
		"CGO_ENABLED": "0", "-trimpath": "true", "vcs.modified": "false",
		"vcs.revision": strings.TrimSpace(r.git("rev-parse", "HEAD")),
	}
	for _, setting := range info.Settings {
		if value, ok := want[setting.Key]; ok && value == setting.Value {
			delete(want, setting.Key)
		}
	}
	if len(want) > 0 {
		r.Errorf("%s does not say that it was built with %v", name, want)
	}
}

func TestBuildReleaseMakesAnArchiveForEachPlatform(t *testing.T) {
	t.Parallel()
	r := newProgram(t)
	files := r.build(nil, slices.Collect(maps.Keys(platforms))...)
	checkSums(t, files)
	if want := len(platforms) + 1; len(files) != want {
		t.Errorf("%d files, want %d: %q", len(files), want, slices.Collect(maps.Keys(files)))
	}
	for platform, kind := range platforms {
		dir := "kalshiauth_" + tag + "_" + strings.ReplaceAll(platform, "/", "_")
		name, command := dir+".tar.gz", dir+"/kalshiauth"
		if strings.HasPrefix(platform, "windows/") {
			name, command = dir+".zip", command+".exe"
		}
		archive := unpack(t, name, files[name])
		want := []string{dir + "/", dir + "/LICENSE", dir + "/README.md", command}
		if got := slices.Sorted(maps.Keys(archive)); !slices.Equal(got, want) {
			t.Errorf("%s has %q, want %q", name, got, want)
		}
		for _, text := range []string{"LICENSE", "README.md"} {
			if string(archive[dir+"/"+text].data) != r.read(text) {
				t.Errorf("%s has another %s", name, text)
			}
		}
		if mode := archive[command].mode.Perm(); mode != 0o755 && path.Ext(command) == "" {
			t.Errorf("%s has the mode %o, want 755", command, mode)
		}
		if got := kindOf(archive[command].data); got != kind {
			t.Errorf("%s is for %s, want %s", command, got, kind)
		}
		r.checkBuild(command, archive[command].data)
	}
	again := r.elsewhere().build(settings, slices.Collect(maps.Keys(platforms))...)
	if first, second := string(files["SHA256SUMS"]), string(again["SHA256SUMS"]); first != second {
		t.Errorf("the same commit has the checksums\n%sand in another directory\n%s", first, second)
	}
}

// TestBuildReleaseBuildsThisCommand builds the command of this repository as it is now.
func TestBuildReleaseBuildsThisCommand(t *testing.T) {
	t.Parallel()
	r := newRepository(t, filesHere(t, ".")...)
	r.commit()
	target := "linux/" + runtime.GOARCH
	dir := "kalshiauth_" + tag + "_linux_" + runtime.GOARCH
	files, again := r.build(nil, target), r.elsewhere().build(settings, target)
	if first, second := string(files["SHA256SUMS"]), string(again["SHA256SUMS"]); first != second {
		t.Errorf("the same commit has the checksums\n%sand in another directory\n%s", first, second)
	}
	binary := unpack(t, dir+".tar.gz", files[dir+".tar.gz"])[dir+"/kalshiauth"].data
	if kind := kindOf(binary); kind != platforms[target] {
		t.Errorf("the command is for %s, want %s", kind, platforms[target])
	}
	r.checkBuild("the command", binary)
	if runtime.GOOS != "linux" {
		return
	}
	r.write("build/kalshiauth", string(binary))
	if err := os.Chmod(filepath.Join(r.dir, "build", "kalshiauth"), 0o700); err != nil { //nolint:gosec // to run it
		t.Fatal(err)
	}
	if out := mustRun(t, r.dir, nil, "build/kalshiauth", "version"); !strings.HasPrefix(out, "kalshiauth "+tag+"\n") {
		t.Errorf("version prints %q, want %s", out, tag)
	}
}

func TestBuildReleaseMakesImages(t *testing.T) {
	t.Parallel()
	r := newProgram(t)
	if _, err := exec.LookPath("buildah"); err != nil {
		t.Skip("there is no buildah on the PATH")
	}
	targets := []string{"image/amd64", "image/arm64"}
	files := r.build(nil, targets...)
	checkSums(t, files)
	for _, arch := range []string{"amd64", "arm64"} {
		name := "kalshiauth_" + tag + "_image_" + arch + ".tar"
		image := untar(t, bytes.NewReader(files[name]))
		var manifest []struct {
			Config           string
			RepoTags, Layers []string
		}
		var config struct {
			Architecture, OS string
			Config           struct {
				User            string
				Entrypoint, Cmd []string
				Labels          map[string]string
			}
		}
		if err := json.Unmarshal(image["manifest.json"].data, &manifest); err != nil || len(manifest) != 1 {
			t.Fatalf("%s has %d images: %v", name, len(manifest), err)
		}
		if err := json.Unmarshal(image[manifest[0].Config].data, &config); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got := fmt.Sprint(manifest[0].RepoTags, config.OS, "/", config.Architecture, " ", config.Config)
		if want := fmt.Sprint([]string{"localhost/kalshiauth:" + tag}, "linux/", arch, " ", struct {
			User            string
			Entrypoint, Cmd []string
			Labels          map[string]string
		}{"65532:65532", []string{"/kalshiauth"}, []string{"serve", "-addr", "0.0.0.0:8080"}, map[string]string{
			"org.opencontainers.image.title":       "kalshiauth",
			"org.opencontainers.image.description": "Calls, fakes and checks Kalshi's auth API",
			"org.opencontainers.image.source":      "https://github.com/kalshiauth/kalshiauth-go",
			"org.opencontainers.image.licenses":    "MIT",
			"org.opencontainers.image.version":     tag,
			"org.opencontainers.image.revision":    strings.TrimSpace(r.git("rev-parse", "HEAD")),
		}}); got != want {
			t.Errorf("%s is %s\nwant %s", name, got, want)
		}
		content := map[string]packed{}
		for _, layer := range manifest[0].Layers {
			maps.Copy(content, untar(t, bytes.NewReader(image[layer].data)))
		}
		r.checkContent(name, content, "linux/"+arch)
	}
	again := r.elsewhere().build(settings, targets...)
	if first, second := string(files["SHA256SUMS"]), string(again["SHA256SUMS"]); first != second {
		t.Errorf("the same commit has the checksums\n%sand in another directory\n%s", first, second)
	}
}

// checkContent checks the files of an image: the command, what it needs, and nothing else.
func (r repository) checkContent(name string, content map[string]packed, platform string) {
	r.Helper()
	const certificates = "etc/ssl/certs/ca-certificates.crt"
	modes := map[string]os.FileMode{
		"LICENSE": 0o644, "kalshiauth": 0o755, certificates: 0o644,
		"etc/": os.ModeDir | 0o755, "etc/ssl/": os.ModeDir | 0o755, "etc/ssl/certs/": os.ModeDir | 0o755,
	}
	got := map[string]os.FileMode{}
	for file, p := range content {
		got[file] = p.mode
	}
	if !maps.Equal(got, modes) {
		r.Errorf("%s has %v, want %v", name, got, modes)
	}
	if !x509.NewCertPool().AppendCertsFromPEM(content[certificates].data) {
		r.Errorf("%s has no certificates", name)
	}
	if kind := kindOf(content["kalshiauth"].data); kind != platforms[platform] {
		r.Errorf("the command in %s is for %s, want %s", name, kind, platforms[platform])
	}
	r.checkBuild(name, content["kalshiauth"].data)
}

func TestBuildReleaseRefusesWhatIsNoRelease(t *testing.T) {
	t.Parallel()
	r := newProgram(t)
	full := t.TempDir()
	repository{t, full}.write("old.tar.gz", "")
	for name, test := range map[string]struct {
		args   []string
		status int
		says   string
	}{
		"no arguments":   {nil, 2, "Usage: "},
		"no directory":   {[]string{tag}, 2, "Usage: "},
		"no v":           {[]string{number, ""}, 2, "is not a version of the root module"},
		"another module": {[]string{"kalshiauth/redisstore/" + tag, ""}, 2, "only that module has a command"},
		"a full one":     {[]string{tag, full}, 2, "is not empty"},
		"no platform":    {[]string{tag, "", "linux"}, 2, "'linux' is not OS/ARCH or image/ARCH"},
		"a path":         {[]string{tag, "", "linux/../amd64"}, 2, "is not OS/ARCH or image/ARCH"},
		"no buildah":     {[]string{tag, "", "linux/amd64", "image/amd64"}, 2, "buildah is missing"},
		"the path lacks /v2": {
			[]string{"v2.0.0", "", "linux/" + runtime.GOARCH}, 1, ", not v2.0.0: is the module path right for it?",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := filepath.Join(t.TempDir(), "release")
			for i := range test.args {
				if test.args[i] == "" {
					test.args[i] = out
				}
			}
			printed, status := run(t, r.dir, []string{"PATH=" + withoutBuildah(t)}, "bash",
				append([]string{".github/scripts/build-release.sh"}, test.args...)...)
			if status != test.status || !strings.Contains(printed, test.says) {
				t.Errorf("exit status %d, want %d and %q:\n%s", status, test.status, test.says, printed)
			}
			if entries, _ := os.ReadDir(out); len(entries) > 0 {
				t.Errorf("it has written %d files", len(entries))
			}
		})
	}
}

// withoutBuildah returns a PATH with the commands that the script needs, except buildah.
func withoutBuildah(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name := range strings.FieldsSeq("awk bash chmod cp dirname git go ls mkdir mktemp rm") {
		file, err := exec.LookPath(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(file, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
