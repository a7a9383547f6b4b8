package contract_test

import (
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/kalshiauth/kalshiauth-go/kalshiauth/contract"
)

// In each of these servers, only one class of checks has something to find.
func TestMutantsOfEachClassAreCaught(t *testing.T) {
	t.Parallel()
	derived := slices.Concat(inputMutants(), strictMutants(), oddMutants(), bodyMutants())
	all := slices.Concat(derived, stateMutants)
	var caught atomic.Int32
	t.Run("mutants", func(t *testing.T) {
		t.Parallel()
		for i, m := range all {
			t.Run(m.name, func(t *testing.T) {
				t.Parallel()
				srv := newServer(t)
				srv.Intercept(m.change(srv))
				target := targetOf(srv)
				target.HTTPClient = &http.Client{Transport: srv.Transport()}
				if i < len(derived) {
					target.Only = []string{"Login.right", m.check} // no other check has a part in it
				}
				report, err := contract.Run(t.Context(), target)
				if err != nil {
					t.Fatal(err)
				}
				if got := outcomes(report)[m.check]; got != contract.Failed {
					t.Errorf("the check %q has %s:%s", m.check, got, failures(report))
					return
				}
				caught.Add(1)
			})
		}
	})
	t.Cleanup(func() {
		fmt.Printf("mutants of each class: %d of %d caught\n", caught.Load(), len(all))
	})
}
