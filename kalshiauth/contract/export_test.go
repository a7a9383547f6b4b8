package contract

// A Scenario is what the tests look at of one.
type Scenario struct {
	Name, Operation string
	Statuses        []int
}

// Scenarios are those that Run plays.
func Scenarios() []Scenario {
	all := make([]Scenario, len(scenarios))
	for i, s := range scenarios {
		all[i] = Scenario{s.name, s.operation, s.statuses}
	}
	return all
}
