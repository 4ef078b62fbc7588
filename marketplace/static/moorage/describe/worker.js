// The worker for CSV.
import { read } from "./csv.js";
import { serve } from "./serving.js";

serve(read);
