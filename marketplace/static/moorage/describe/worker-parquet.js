// The worker for Parquet.
import { read } from "./parquet.js";
import { serve } from "./serving.js";

serve(read);
