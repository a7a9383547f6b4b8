package fakeserver

// FaultFunctions returns the functions of kalshiauthtest that can be set as faults.
func FaultFunctions() (all []string) {
	for _, k := range kinds {
		all = append(all, k.functions...)
	}
	return all
}
