package daily

// The two ways to read a batch, of which DecodeBatch takes the first that can.
var (
	ScanBatch  = scanBatch
	PlainBatch = decodeBatch[Record]
)
