module bowline/bench

go 1.22
